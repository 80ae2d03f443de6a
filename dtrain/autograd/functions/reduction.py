# mypy: disable-error-code="no-any-return"
"""Sums, means, spreads, extremes and norms over dimensions."""

import builtins
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dtrain.autograd.functions import comparison, pointwise
from dtrain.autograd.functions.arguments import Dim, dim_of, dims_of, dtype_of, tensor_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import elementwise, reduce, scan, shape
from dtrain.autograd.tensor import Tensor

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero", "dist",
    "logsumexp", "max", "mean", "min", "nanmean", "nansum", "norm", "prod", "std", "std_mean",
    "sum", "var", "var_mean",
]  # fmt: skip


class Extreme(NamedTuple):
    """What `max` and `min` over one dimension return."""

    values: Tensor
    indices: Tensor


class Range(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


def _as(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else input.to(dtype_of(dtype, None))


def _require_float(input: Tensor, who: str) -> Tensor:
    if input._array.dtype.kind != "f":
        raise RuntimeError(
            f"{who}(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {_NAMES.get(input._array.dtype.name, input.dtype)}"
        )
    return input


_NAMES = {"int64": "Long", "int32": "Int", "bool": "Bool", "uint8": "Byte"}


@public()
def sum(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:  # fmt: skip
    """Sum over dimensions; bools and integers give int64."""
    input = _as(tensor_of(input, who="sum"), dtype)
    return reduce.sum_(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over dimensions of what is not nan."""
    input = _as(input, dtype)
    return sum(comparison.where(pointwise.isnan(input), 0, input), dim, keepdim)


@public()
def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over dimensions. Raises RuntimeError for bools and integers."""
    input = _require_float(_as(tensor_of(input, who="mean"), dtype), "mean")
    return reduce.mean(input, axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over dimensions of what is not nan."""
    input = _as(input, dtype)
    counted = sum(~pointwise.isnan(input), dim, keepdim)
    return nansum(input, dim, keepdim) / counted


@public()
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product of all elements, or over one dimension; bools and integers give int64."""
    input = _as(input, dtype)
    axis = None if dim is None else dim_of(dim, input.ndim)
    return scan.prod(input, axis=axis if input.ndim else None, keepdims=keepdim)


def _count(input: Tensor, axes: tuple[int, ...] | None) -> int:
    size = input._array.shape
    return input.numel() if axes is None else math.prod(size[axis] for axis in axes)


def _unbiased(dim: Dim | bool, unbiased: Any, correction: Any) -> tuple[Dim, float]:
    """PyTorch's older form var(x, unbiased) and var(x, dim, unbiased) in the terms of its newer."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    return dim, 1 if correction is None else correction


@public()
def var_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean over dimensions: squares over (number - correction), by default 1."""
    _require_float(input, "var_mean")
    dim, less = _unbiased(dim, unbiased, correction)
    axes = dims_of(dim, input.ndim)
    center = reduce.mean(input, axis=axes, keepdims=True)
    away = input - center
    squares = reduce.sum_(away * away, axis=axes, keepdims=keepdim)
    spread = squares / builtins.max(0.0, float(_count(input, axes) - less))
    means = center if keepdim else center.reshape(spread._array.shape)
    return spread, means


@public()
def var(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> Tensor:  # fmt: skip
    """Variance over dimensions: squares over (number - correction), by default 1."""
    _require_float(input, "var")
    return var_mean(input, dim, unbiased, keepdim, correction=correction)[0]


@public()
def std(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> Tensor:  # fmt: skip
    """Square root of the variance; its gradient is 0 where that is 0."""
    _require_float(input, "std")
    return _root(var_mean(input, dim, unbiased, keepdim, correction=correction)[0])


@public()
def std_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean over dimensions."""
    spread, center = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return _root(spread), center


def _root(squares: Tensor) -> Tensor:
    """Square root with gradient 0 at 0."""
    zero = squares.detach() == 0
    if not zero._array.any():
        return elementwise.sqrt(squares)
    return comparison.where(zero, 0.0, elementwise.sqrt(comparison.where(zero, 1.0, squares)))


@public()
def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Greatest element over dimensions; ties share the gradient."""
    return reduce.amax(_some(input, "amax", dim), axis=dims_of(dim, input.ndim), keepdims=keepdim)


@public()
def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Least element over dimensions; ties share the gradient."""
    return reduce.amin(_some(input, "amin", dim), axis=dims_of(dim, input.ndim), keepdims=keepdim)


def _some(input: Tensor, who: str, dim: Any) -> Tensor:
    """Raises, as PyTorch does, where there is nothing to choose from."""
    axes = dims_of(dim, input.ndim)
    if not _count(input, axes):
        if axes is None:
            raise RuntimeError(
                f"{who}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            )
        raise IndexError(f"{who}(): Expected reduction dim {axes[0]} to have non-zero size.")
    return input


@public()
def aminmax(input: Tensor, *, dim: Any = None, keepdim: bool = False) -> Range:
    """Least and greatest element, of all or over one dimension."""
    return Range(amin(input, dim, keepdim), amax(input, dim, keepdim))


@public()
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Greatest element of all; (values, indices) along a dimension; or of two tensors."""
    pair = dim if isinstance(dim, Tensor) else other
    if pair is not None:
        return elementwise.maximum(input, pair)
    return amax(input) if dim is None else _extreme(input, reduce.argmax, dim, keepdim, "max")


@public()
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Least element of all; (values, indices) along a dimension; or of two tensors."""
    pair = dim if isinstance(dim, Tensor) else other
    if pair is not None:
        return elementwise.minimum(input, pair)
    return amin(input) if dim is None else _extreme(input, reduce.argmin, dim, keepdim, "min")


def _extreme(input: Tensor, arg: Callable[..., Any], dim: int, keepdim: bool, who: str) -> Extreme:
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return Extreme(input.clone(), arg(input))
    indices = arg(_some(input, who, axis), axis=axis, keepdims=True)
    values = shape.take_along(input, indices=indices._array, axis=axis)
    if keepdim:
        return Extreme(values, indices)
    return Extreme(values.squeeze(axis), indices.squeeze(axis))


def _place(input: Tensor, arg: Any, dim: Any, keepdim: bool, who: str) -> Tensor:
    if input._array.dtype == bool:
        raise RuntimeError(f"\"{who}_cpu\" not implemented for 'Bool'")
    axis = None if dim is None else dim_of(dim, input.ndim)
    return arg(_some(input, who, axis), axis=axis if input.ndim else None, keepdims=keepdim)


@public()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first greatest element."""
    return _place(input, reduce.argmax, dim, keepdim, "argmax")


@public()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first least element."""
    return _place(input, reduce.argmin, dim, keepdim, "argmin")


def _truth(input: Tensor, dim: Dim, keepdim: bool, test: Callable[..., Any]) -> Tensor:
    axes = dims_of(dim, input.ndim)
    found = np.asarray(test(input._array != 0, axis=axes, keepdims=keepdim))
    return Tensor(found.astype(np.uint8) if input._array.dtype == np.uint8 else found)


@public()
def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are nonzero, over dimensions."""
    return _truth(input, dim, keepdim, np.all)


@public()
def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether an element is nonzero, over dimensions."""
    return _truth(input, dim, keepdim, np.any)


@public()
def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are nonzero, over dimensions."""
    axes = dims_of(dim, input.ndim)
    return Tensor(np.asarray(np.count_nonzero(input._array, axis=axes), np.int64))


@public()
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log of the sum of e ** x over dimensions, without overflow."""
    axes = dims_of(dim, input.ndim)
    if input._array.dtype.kind != "f":
        input = input.float()
    with np.errstate(all="ignore"):
        top = input._array.max(axis=axes, keepdims=True, initial=-np.inf)
    top = Tensor(np.where(np.isfinite(top), top, 0).astype(top.dtype))
    total = reduce.sum_(elementwise.exp(input - top), axis=axes, keepdims=True)
    out = elementwise.log(total) + top
    if keepdim or not input.ndim:
        return out
    return out.squeeze(tuple(range(input.ndim)) if axes is None else axes)


@public()
def norm(
    input: Tensor, p: Any = "fro", dim: Dim = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm of all elements or over dimensions; "fro" is p = 2."""
    input = _require_float(_as(input, dtype), "norm")
    order = 2.0 if p in ("fro", None) else p
    if not isinstance(order, int | float):
        raise RuntimeError(f"norm: p must be a number, inf or 'fro', not {p!r}")
    return vector_norm(input, float(order), dim, keepdim)


def vector_norm(input: Tensor, order: float, dim: Dim, keepdim: bool) -> Tensor:
    """(sum |x| ** p) ** (1 / p) over dimensions, with its limits at 0 and +-inf; its gradient is 0
    where the norm is 0."""
    axes = dims_of(dim, input.ndim)
    size = elementwise.abs_(input)
    if order == 0:
        return reduce.sum_((input != 0).to(input.dtype) + size * 0.0, axis=axes, keepdims=keepdim)
    if math.isinf(order):
        extreme = reduce.amax if order > 0 else reduce.amin
        return extreme(_some(size, "linalg.vector_norm", dim), axis=axes, keepdims=keepdim)
    if order == 1:
        return reduce.sum_(size, axis=axes, keepdims=keepdim)
    if order == 2:
        return _root(reduce.sum_(input * input, axis=axes, keepdims=keepdim))
    zero = size.detach() == 0
    powers = elementwise.pow_(comparison.where(zero, 1.0, size), order)
    powers = comparison.where(zero, 0.0 if order > 0 else math.inf, powers)
    total = reduce.sum_(powers, axis=axes, keepdims=keepdim)
    nothing = total.detach() == 0
    if not nothing._array.any():
        return elementwise.pow_(total, 1 / order)
    safe = elementwise.pow_(comparison.where(nothing, 1.0, total), 1 / order)
    return comparison.where(nothing, 0.0, safe)


@public()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return norm(input - other, p)
