# mypy: disable-error-code="no-any-return"
"""Quantiles along a dimension."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.arithmetic import lerp
from dtrain.autograd.functions.registry import public
from dtrain.autograd.functions.sorting import sort
from dtrain.autograd.ops import shape
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor, wrap

__all__ = ["nanquantile", "quantile"]

_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


@public()
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The q-th quantiles, 0 <= q <= 1, of all elements or along a dimension; nan if one is nan.

    A vector of q gives a first dimension of the result. Between two elements: "linear", "lower",
    "higher", "midpoint" or "nearest".
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@public()
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """As `quantile`, of what is not nan."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(who: str, input: Tensor, q: Any, dim: Any, keepdim: bool, way: str) -> Tensor:
    shares = _shares(who, input, q)
    if way not in _WAYS:
        raise RuntimeError(f"{who}() interpolation must be one of {', '.join(_WAYS)}, got {way}")
    ndim = input.ndim
    axis = None if dim is None else dim_of(dim, ndim)
    if not input.numel():
        raise RuntimeError(f"{who}() input tensor must be non-empty")
    flat = input.reshape(-1) if axis is None or not ndim else input.movedim(axis, -1)
    ordered = sort(flat).values
    rank = _ranks(ordered._array, shares.reshape(-1), skips_nan=who == "nanquantile")
    out = _between(ordered, rank, way).movedim(-1, 0)
    if keepdim and ndim:
        size = list(out._array.shape[1:]) if axis is not None else [1] * ndim
        if axis is not None:
            size.insert(axis, 1)
        out = out.reshape(-1, *size)
    return out if shares.ndim else out.squeeze(0)


def _shares(who: str, input: Tensor, q: Any) -> Tensor:
    """q as a tensor. Raises RuntimeError for other dtypes than PyTorch takes."""
    if input._array.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{who}() input tensor must be either float or double dtype")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{who}() q must be in the range [0, 1] but got {q}")
        return input.new_tensor(q)
    if q.ndim > 1:
        raise RuntimeError(f"{who}() q must be a scalar or 1D tensor")
    if q._array.dtype != input._array.dtype:
        raise RuntimeError(f"{who}() q tensor must be same dtype as the input tensor")
    if not ((q._array >= 0) & (q._array <= 1)).all():
        raise RuntimeError(f"{who}() q values must be in the range [0, 1]")
    return q


def _ranks(ordered: Any, shares: Tensor, *, skips_nan: bool) -> Tensor:
    """Where the quantiles are along the last axis: (..., q). The last place, if there is nan."""
    nans = np.isnan(ordered).sum(axis=-1, keepdims=True)
    last = ordered.shape[-1] - 1
    if skips_nan:
        return shares * wrap(np.maximum(last - nans, 0).astype(ordered.dtype))
    return where(wrap(nans > 0), float(last), shares * float(last))


def _between(ordered: Tensor, rank: Tensor, way: str) -> Tensor:
    place = rank._array
    if way == "nearest":
        place = np.rint(place)
    below, above = (each(place).astype(np.int64) for each in (np.floor, np.ceil))
    if way == "higher":
        return shape.take_along(ordered, indices=above, axis=-1)
    low = shape.take_along(ordered, indices=below, axis=-1)
    if way in ("lower", "nearest"):
        return low
    high = shape.take_along(ordered, indices=above, axis=-1)
    if way == "midpoint":
        return lerp(low, high, 0.5)
    return lerp(low, high, rank - wrap(below.astype(place.dtype)))
