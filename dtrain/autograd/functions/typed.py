# mypy: disable-error-code="no-any-return"
"""Tensors made as `Tensor(...)`, and types of tensors that are named after their dtype."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd import dtypes
from dtrain.autograd.device import require_cpu
from dtrain.autograd.functions.creation import tensor, zeros
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.size import Size
from dtrain.autograd.tensor import Tensor, wrap

__all__: list[str] = []

_MISSING = object()


class TensorType:
    """`torch.FloatTensor` and the like: makes tensors of its dtype, and `isinstance` knows them."""

    is_cuda = is_sparse = False

    def __init__(self, name: str, dtype: Any) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = "torch"
        self.dtype = dtypes.of(dtype)

    def __call__(self, *data: Any, device: Any = None, **named: Any) -> Tensor:
        """Zeros of a shape, or numbers cast to the dtype: see `construct`."""
        return construct(self.dtype, data, device, **named)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Tensor) and value._array.dtype == self.dtype.dtype

    def __repr__(self) -> str:
        return f"<class 'torch.{self.__name__}'>"


TYPES = {f"{kind}Tensor": TensorType(f"{kind}Tensor", name) for name, kind in KINDS.items()}


def construct(
    dtype: Any, args: Sequence[Any], device: Any = None, size: Any = None, data: Any = _MISSING
) -> Tensor:
    """Zeros of a shape, from integers or a `Size` (PyTorch leaves such memory as it is); numbers,
    cast to the dtype; an empty tensor, from nothing; the memory of a tensor of the same dtype.

    dtype   of the result; None for the default dtype, and for that of a tensor given

    Raises TypeError, as PyTorch does, for a tensor of another dtype and for what is no sequence.
    """
    require_cpu(device)
    args = args if data is _MISSING else (data,)
    wanted = dtypes.default_dtype() if dtype is None else dtypes.of(dtype).dtype
    if size is not None or _are_sizes(args):
        return zeros(*(size or args or (0,)), dtype=wanted)
    [source] = args
    if isinstance(source, Tensor):
        if dtype is not None and source._array.dtype != wanted:
            raise TypeError(
                f"expected {_type_name(wanted)} (got {_type_name(source._array.dtype)})"
            )
        return source.detach()
    if isinstance(source, str | np.generic) or not isinstance(source, Sequence | np.ndarray):
        raise TypeError(f"new(): data must be a sequence (got {type(source).__name__})")
    return tensor(source, dtype=wanted)


def _are_sizes(args: Sequence[Any]) -> bool:
    """Whether the arguments are a shape. A single list is data."""
    if len(args) == 1:
        return isinstance(args[0], Size | np.integer) or type(args[0]) is int
    return True


def _type_name(dtype: np.dtype[Any]) -> str:
    return f"torch.{KINDS[dtype.name]}Tensor"


def _new(kind: type[Tensor], *data: Any, device: Any = None, **named: Any) -> Tensor:
    """`Tensor(...)`: see `construct`."""
    return wrap(construct(None, data, device, **named)._array, kind=kind)


Tensor.__new__ = staticmethod(_new)  # type: ignore[assignment]  # of the same signature


@public(function=False)
def new(input: Tensor, *data: Any, device: Any = None, **named: Any) -> Tensor:
    """Zeros of a shape, or numbers, in the dtype of a tensor: see `construct`."""
    return construct(input._array.dtype, data, device, **named)
