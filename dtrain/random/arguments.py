"""Arguments as PyTorch's functions take them, brought into one form."""

from collections.abc import Sequence
from operator import index
from typing import Any, NamedTuple

import numpy as np

from dtrain.autograd import dtypes
from dtrain.autograd.device import require_cpu
from dtrain.autograd.value import Array, Value

Size = tuple[int, ...]


class Kind(NamedTuple):
    """What a new tensor is to be, but for its numbers."""

    dtype: np.dtype[Any]
    requires_grad: bool

    def tensor(self, array: Array) -> Value:
        """A tensor of this kind. Raises RuntimeError for an integer one with a gradient."""
        if self.requires_grad and array.dtype.kind != "f":
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        return Value.result(np.asarray(array, self.dtype), self.requires_grad)


def float_kind(dtype: Any, requires_grad: bool, device: Any, layout: Any) -> Kind:
    """Of floats, the default ones if nothing else is said."""
    default = dtypes.default_dtype()
    return kind_of(default if dtype is None else dtype, requires_grad, device, layout)


def kind_of(dtype: Any, requires_grad: bool, device: Any, layout: Any) -> Kind:
    """Of this dtype. Raises for what dtrain has not: other devices, sparse layouts."""
    require_cpu(device)
    if layout is not None and not str(layout).endswith("strided"):
        raise RuntimeError(f"dtrain has strided tensors only, none of layout {layout}")
    return Kind(dtypes.of(dtype).dtype, requires_grad)


def size_of(sizes: Sequence[Any], size: Sequence[int] | None = None) -> Size:
    """f(2, 3), f((2, 3)), f([2, 3]) and f(size=(2, 3)) are the same.

    Raises TypeError for what are no integers, RuntimeError for negative ones.
    """
    if size is not None:
        sizes = size
    elif len(sizes) == 1 and isinstance(sizes[0], Sequence):
        sizes = sizes[0]
    elif not sizes:
        raise TypeError("the size is missing: rand(2, 3), rand((2, 3)) or rand(()) for one number")
    return checked_size(sizes)


def checked_size(size: Any) -> Size:
    """A sequence of sizes as a tuple of integers that are not negative."""
    if not isinstance(size, Sequence):
        raise TypeError(f"argument 'size' must be tuple of ints, not {type(size).__name__}")
    try:
        shape = tuple(map(index, size))
    except TypeError as error:
        raise TypeError(f"argument 'size' must be tuple of ints: {error}") from None
    for length in shape:
        if length < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {length}: {list(shape)}"
            )
    return shape


def array_of(value: Any, name: str) -> Array:
    """The array of a tensor. Raises TypeError for anything else."""
    if not isinstance(value, Value):
        raise TypeError(f"argument '{name}' must be Tensor, not {type(value).__name__}")
    return value._array


def integer(value: Any, name: str) -> int:
    """A Python integer. Raises TypeError for what is none, bools among it."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)
    except TypeError:
        raise TypeError(f"argument '{name}' must be int, not {type(value).__name__}") from None
