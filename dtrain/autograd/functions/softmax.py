# mypy: disable-error-code="no-any-return"
"""Softmax and its logarithm."""

from typing import Any

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import loss, promotion
from dtrain.autograd.tensor import Tensor

__all__ = ["log_softmax", "softmax"]


def _floats(input: Tensor, kernel: str) -> Tensor:
    if input._array.dtype.kind != "f":
        raise promotion.not_implemented(kernel, input._array.dtype)
    return input


@public()
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """e ** x / sum e ** x along a dimension."""
    input = _floats(input if dtype is None else input.to(dtype), "softmax_kernel_impl")
    return loss.softmax(input, axis=dim_of(dim, input.ndim))


@public()
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Logarithm of the softmax along a dimension."""
    input = _floats(input if dtype is None else input.to(dtype), "log_softmax_lastdim_kernel_impl")
    return loss.log_softmax(input, axis=dim_of(dim, input.ndim))
