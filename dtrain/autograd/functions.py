# mypy: disable-error-code="no-any-return"
"""Functions on tensors, and functions that make them, with PyTorch's names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import default_float
from dtrain.autograd.ops import elementwise, logic, shape
from dtrain.autograd.tensor import Dim, Tensor, matmul
from dtrain.autograd.value import Array

__all__ = [
    "abs", "arange", "argmax", "as_tensor", "cat", "empty", "exp", "from_numpy", "full", "log",
    "log_softmax", "matmul", "max", "maximum", "mean", "min", "minimum", "ones", "ones_like",
    "relu", "sigmoid", "softmax", "sqrt", "stack", "sum", "tanh", "tensor", "where", "zeros",
    "zeros_like",
]  # fmt: skip


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested sequences, an array or a Tensor.

    Python floats give float32, integers int64, bools bool; arrays keep their dtype.
    """
    source = data._array if isinstance(data, Tensor) else data
    if dtype is None:
        dtype = _natural_dtype(source)
    return Tensor(np.array(source, dtype=dtype, order="C")).requires_grad_(requires_grad)


def _natural_dtype(source: Any) -> Any:
    """float32 for Python floats; None where NumPy's own choice is right."""
    if isinstance(source, np.ndarray | np.generic):
        return source.dtype
    dtype = np.asarray(source).dtype
    while isinstance(source, Sequence) and len(source):
        source = source[0]
    is_array = isinstance(source, np.ndarray | np.generic | Tensor)
    return default_float if dtype == np.float64 and not is_array else dtype


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """As `tensor`, but without a copy where none is needed."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray):
        return Tensor(data if dtype is None else data.astype(dtype, copy=False))
    return tensor(data, dtype)


def from_numpy(array: Array) -> Tensor:
    """A tensor over an array's own memory."""
    return Tensor(array)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape, float32 unless told otherwise."""
    return full(_shape(size), 0, dtype or default_float, requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape, float32 unless told otherwise."""
    return full(_shape(size), 1, dtype or default_float, requires_grad)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros: memory with arbitrary contents would make results differ between runs."""
    return full(_shape(size), 0, dtype or default_float, requires_grad)


def full(
    size: Sequence[int], fill_value: Any, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """One value all over a shape; the dtype is the value's own unless given."""
    dtype = _natural_dtype(fill_value) if dtype is None else dtype
    return Tensor(np.full(tuple(size), fill_value, dtype)).requires_grad_(requires_grad)


def zeros_like(input: Tensor, dtype: Any = None) -> Tensor:
    """Zeros of the shape and dtype of a tensor."""
    return zeros(input.shape, dtype=dtype or input.dtype)


def ones_like(input: Tensor, dtype: Any = None) -> Tensor:
    """Ones of the shape and dtype of a tensor."""
    return ones(input.shape, dtype=dtype or input.dtype)


def arange(start: float, end: float | None = None, step: float = 1, dtype: Any = None) -> Tensor:
    """start, start + step, ... below end; int64 if all three are integers, else float32."""
    if end is None:
        start, end = 0, start
    if dtype is None:
        whole = all(isinstance(number, int) for number in (start, end, step))
        dtype = np.int64 if whole else default_float
    return Tensor(np.arange(start, end, step).astype(dtype))


def _shape(size: Any) -> tuple[int, ...]:
    return tuple(size[0] if len(size) == 1 and isinstance(size[0], Sequence) else size)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension."""
    return shape.cat(*tensors, dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension."""
    return shape.cat(*(each.unsqueeze(dim) for each in tensors), dim=dim)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """`input` where the condition holds, `other` elsewhere."""
    return logic.where(condition, input, other)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two, element by element."""
    return elementwise.maximum(input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The lesser of two, element by element."""
    return elementwise.minimum(input, other)


def sum(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """See `Tensor.sum`."""
    return input.sum(dim, keepdim)


def mean(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """See `Tensor.mean`."""
    return input.mean(dim, keepdim)


def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """See `Tensor.max`."""
    return input.max(dim, keepdim)


def min(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """See `Tensor.min`."""
    return input.min(dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """See `Tensor.argmax`."""
    return input.argmax(dim, keepdim)


def softmax(input: Tensor, dim: int) -> Tensor:
    """See `Tensor.softmax`."""
    return input.softmax(dim)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """See `Tensor.log_softmax`."""
    return input.log_softmax(dim)


def abs(input: Tensor) -> Tensor:
    """See `Tensor.abs`."""
    return input.abs()


def exp(input: Tensor) -> Tensor:
    """See `Tensor.exp`."""
    return input.exp()


def log(input: Tensor) -> Tensor:
    """See `Tensor.log`."""
    return input.log()


def sqrt(input: Tensor) -> Tensor:
    """See `Tensor.sqrt`."""
    return input.sqrt()


def tanh(input: Tensor) -> Tensor:
    """See `Tensor.tanh`."""
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    """See `Tensor.sigmoid`."""
    return input.sigmoid()


def relu(input: Tensor) -> Tensor:
    """See `Tensor.relu`."""
    return input.relu()
