# mypy: disable-error-code="no-any-return"
"""Order along a dimension."""

import math
from typing import Any, NamedTuple

import numpy as np

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor

__all__ = [
    "argsort", "kthvalue", "median", "msort", "nanmedian", "sort", "topk",
]  # fmt: skip


class Ordered(NamedTuple):
    """Chosen elements, and where they were."""

    values: Tensor
    indices: Tensor


def taken(input: Tensor, indices: Any, axis: int) -> Ordered:
    """Elements of a dimension, by their indices."""
    return Ordered(shape.take_along(input, indices=indices, axis=axis), Tensor(indices))


def _order(array: Any, axis: int, descending: bool) -> Any:
    """Indices that sort, equal elements in their order, nan as the greatest."""
    if not descending:
        return np.argsort(array, axis=axis, kind="stable")
    backwards = np.flip(np.argsort(np.flip(array, axis), axis=axis, kind="stable"), axis)
    return np.ascontiguousarray(array.shape[axis] - 1 - backwards)


@public()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Ordered:
    """(values, indices) in order along a dimension; equal elements keep theirs, nan is greatest."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return Ordered(input.clone(), Tensor(np.zeros((), np.int64)))
    return taken(input, _order(input._array, axis, descending), axis)


@public()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Indices that sort along a dimension."""
    return sort(input, dim, descending, stable).indices


@public()
def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension."""
    return sort(input, 0).values


@public()
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Ordered:
    """(values, indices) of the k greatest or least along a dimension, in order."""
    axis = dim_of(dim, input.ndim)
    size = input._array.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    if not input.ndim:
        return sort(input)
    key = (slice(None),) * axis + (slice(0, k),)
    return taken(input, _order(input._array, axis, largest)[key], axis)


@public()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
    """(value, index) of the k-th least along a dimension, counted from 1."""
    axis = dim_of(dim, input.ndim)
    size = input._array.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError("kthvalue(): selected number k out of range for dimension " + str(axis))
    return _ranked(input, np.full((), k - 1), axis, keepdim)


def _ranked(input: Tensor, rank: Any, axis: int, keepdim: bool) -> Ordered:
    if not input.ndim:
        return sort(input)
    order = _order(input._array, axis, descending=False)
    at = np.take_along_axis(order, np.broadcast_to(rank, _one(order.shape, axis)), axis)
    found = taken(input, at, axis)
    return found if keepdim else Ordered(*(each.squeeze(axis) for each in found))


def _one(size: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*size[:axis], 1, *size[axis + 1 :])


def _middle(input: Tensor, dim: Any, keepdim: bool, skips_nan: bool) -> Any:
    """The lower of the two middle elements; nan if there is one, unless these are skipped."""
    if dim is None:
        if not input.numel():
            return input.sum() * math.nan
        return _middle(input.reshape(-1), 0, False, skips_nan).values
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return sort(input)
    nans = np.isnan(input._array).sum(axis=axis, keepdims=True)
    size = input._array.shape[axis]
    if not size:
        raise IndexError(f"median(): Expected reduction dim {axis} to have non-zero size.")
    rank = (
        np.maximum(size - nans - 1, 0) // 2 if skips_nan else np.full(nans.shape, (size - 1) // 2)
    )
    if not skips_nan:
        rank = np.where(nans > 0, size - nans, rank)
    return _ranked(input, rank, axis, keepdim)


@public()
def median(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The median (of two, the lower) of all elements, or (values, indices) along a dimension."""
    return _middle(input, dim, keepdim, skips_nan=False)


@public()
def nanmedian(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """As `median`, of what is not nan."""
    return _middle(input, dim, keepdim, skips_nan=True)
