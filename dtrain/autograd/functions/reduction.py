# mypy: disable-error-code="no-any-return"
"""Sums, means and extremes over dimensions."""

from typing import Any, NamedTuple

from dtrain.autograd.functions.arguments import Dim, dims_of, dtype_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import elementwise, reduce, shape
from dtrain.autograd.tensor import Tensor

__all__ = ["amax", "amin", "argmax", "argmin", "max", "mean", "min", "sum"]


class MaxResult(NamedTuple):
    """What `max` and `min` over one dimension return."""

    values: Tensor
    indices: Tensor


@public()
def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over dimensions; bools and integers give int64."""
    if dtype is not None:
        input = input.to(dtype_of(dtype, None))
    return reduce.sum_(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over dimensions. Raises RuntimeError for bools and integers."""
    if dtype is not None:
        input = input.to(dtype_of(dtype, None))
    if input._array.dtype.kind != "f":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating "
            f"point or complex dtype. Got: {input.dtype}"
        )
    return reduce.mean(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Greatest element over dimensions; ties share the gradient."""
    return reduce.amax(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Least element over dimensions; ties share the gradient."""
    return reduce.amin(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Greatest element of all; (values, indices) along a dimension; or of two tensors."""
    if isinstance(dim, Tensor):
        return elementwise.maximum(input, dim)
    return amax(input) if dim is None else _extreme(input, reduce.argmax, dim, keepdim)


@public()
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Least element of all; (values, indices) along a dimension; or of two tensors."""
    if isinstance(dim, Tensor):
        return elementwise.minimum(input, dim)
    return amin(input) if dim is None else _extreme(input, reduce.argmin, dim, keepdim)


def _extreme(input: Tensor, arg: Any, dim: int, keepdim: bool) -> MaxResult:
    if not input.ndim:
        return MaxResult(input.clone(), arg(input))
    indices = arg(input, axis=dim, keepdims=True)
    values = shape.take_along(input, indices=indices._array, axis=dim)
    if keepdim:
        return MaxResult(values, indices)
    return MaxResult(values.squeeze(dim), indices.squeeze(dim))


@public()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first greatest element."""
    return reduce.argmax(input, axis=dim, keepdims=keepdim)


@public()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first least element."""
    return reduce.argmin(input, axis=dim, keepdims=keepdim)
