# mypy: disable-error-code="no-any-return"
"""Sums, means and products over dimensions."""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from dtrain.autograd.dtypes import default_dtype
from dtrain.autograd.functions import comparison, unary
from dtrain.autograd.functions.arguments import Dim, dim_of, dims_of, dtype_of, tensor_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import elementwise, reduce, scan
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "prod", "sum",
]  # fmt: skip


def as_dtype(input: Tensor, dtype: Any) -> Tensor:
    """In a dtype, if there is one."""
    return input if dtype is None else input.to(dtype_of(dtype, None))


def require_float(input: Tensor, who: str) -> Tensor:
    """Raises RuntimeError for bools and integers."""
    if input._array.dtype.kind != "f":
        raise RuntimeError(
            f"{who}(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {KINDS[input._array.dtype.name]}"
        )
    return input


F = TypeVar("F", bound=Callable[..., Any])


def halves_widened(function: F) -> F:
    """The function, which computes in float32 for float16: sums on the way need not fit in that."""

    @functools.wraps(function)
    def widened(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        if input._array.dtype != np.float16:
            return function(input, *args, **kwargs)
        out = function(input.to(np.float32), *args, **kwargs)
        if isinstance(out, tuple):
            return tuple(each.to(np.float16) for each in out)
        return out.to(np.float16)

    return widened  # type: ignore[return-value]  # of the same signature


_mean = halves_widened(reduce.mean)
_mean_over = halves_widened(reduce.mean.called("MeanBackward1"))
_sum_over = reduce.sum_.called("SumBackward1")


@public()
def sum(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:  # fmt: skip
    """Sum over dimensions; bools and integers give int64."""
    input = as_dtype(tensor_of(input, who="sum"), dtype)
    op = reduce.sum_ if dim is None else _sum_over
    out = op(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)
    return out if dtype is None else as_dtype(out, dtype)


@public()
def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over dimensions of what is not nan."""
    input = as_dtype(input, dtype)
    return sum(comparison.where(unary.isnan(input), 0, input), dim, keepdim, dtype=dtype)


@public()
def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over dimensions. Raises RuntimeError for bools and integers."""
    input = require_float(as_dtype(tensor_of(input, who="mean"), dtype), "mean")
    op = _mean if dim is None else _mean_over
    return op(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over dimensions of what is not nan."""
    input = as_dtype(input, dtype)
    counted = sum(~unary.isnan(input), dim, keepdim)
    return nansum(input, dim, keepdim) / counted


@public()
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product of all elements, or over one dimension; bools and integers give int64."""
    input = as_dtype(input, dtype)
    axis = None if dim is None else dim_of(dim, input.ndim)
    out = scan.prod(input, axis=axis if input.ndim else None, keepdims=keepdim)
    return out if dtype is None else as_dtype(out, dtype)


def count_along(input: Tensor, axes: tuple[int, ...] | None) -> int:
    """How many elements are joined into one."""
    size = input._array.shape
    return input.numel() if axes is None else math.prod(size[axis] for axis in axes)


@public()
def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are nonzero, over dimensions."""
    axes = dims_of(dim, input.ndim)
    return wrap(np.asarray(np.count_nonzero(input._array, axis=axes), np.int64))


@public()
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log of the sum of e ** x over dimensions, without overflow."""
    axes = dims_of(dim, input.ndim)
    if input._array.dtype.kind != "f":
        input = input.to(default_dtype())
    with np.errstate(all="ignore"):
        top = input._array.max(axis=axes, keepdims=True, initial=-np.inf)
    top = wrap(np.where(np.isfinite(top), top, 0).astype(top.dtype))
    total = reduce.sum_(elementwise.exp(input - top), axis=axes, keepdims=True)
    out = elementwise.log(total) + top
    if keepdim or not input.ndim:
        return out
    return out.squeeze(tuple(range(input.ndim)) if axes is None else axes)
