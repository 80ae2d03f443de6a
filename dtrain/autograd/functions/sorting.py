# mypy: disable-error-code="no-any-return"
"""Order along a dimension."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.functions import results
from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import reduce, shape
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "sort", "topk",
]  # fmt: skip


def taken(input: Tensor, indices: Any, axis: int, named: Any = results.sort) -> results.Ordered:
    """Elements of a dimension, by their indices."""
    return named(shape.take_along(input, indices=indices, axis=axis), wrap(indices))


def _order(array: Any, axis: int, descending: bool) -> Any:
    """Indices that sort, equal elements in their order, nan as the greatest."""
    if not descending:
        return np.argsort(array, axis=axis, kind="stable")
    backwards = np.flip(np.argsort(np.flip(array, axis), axis=axis, kind="stable"), axis)
    return np.ascontiguousarray(array.shape[axis] - 1 - backwards)


def scalar(input: Tensor, named: Any) -> results.Ordered:
    """A tensor without dimensions is its own only element."""
    return named(input.clone(), wrap(np.zeros((), np.int64)))


@public()
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> results.Ordered:
    """(values, indices) in order along a dimension; equal elements keep theirs, nan is greatest."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return scalar(input, results.sort)
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
) -> results.Ordered:
    """(values, indices) of the k greatest or least along a dimension, in order."""
    axis = dim_of(dim, input.ndim)
    size = input._array.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    if not input.ndim:
        return scalar(input, results.topk)
    key = (slice(None),) * axis + (slice(0, k),)
    return taken(input, _order(input._array, axis, largest)[key], axis, results.topk)


@public()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> results.Ordered:
    """(value, index) of the k-th least along a dimension, counted from 1."""
    axis = dim_of(dim, input.ndim)
    size = input._array.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError("kthvalue(): selected number k out of range for dimension " + str(axis))
    return _ranked(input, np.full((), k - 1), axis, keepdim, results.kthvalue)


def _ranked(input: Tensor, rank: Any, axis: int, keepdim: bool, named: Any) -> results.Ordered:
    if not input.ndim:
        return scalar(input, named)
    order = _order(input._array, axis, descending=False)
    at = np.take_along_axis(order, np.broadcast_to(rank, _one(order.shape, axis)), axis)
    found = taken(input, at, axis, named)
    return found if keepdim else named(*(each.squeeze(axis) for each in found))


def _one(size: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*size[:axis], 1, *size[axis + 1 :])


def _middle(input: Tensor, dim: Any, keepdim: bool, skips_nan: bool) -> Any:
    """The lower of the two middle elements; nan if there is one, unless these are skipped."""
    if dim is None:
        if not input.numel():
            return input.sum() * math.nan
        return reduce.nanmedian(input) if skips_nan else reduce.median(input)
    axis = dim_of(dim, input.ndim)
    named = results.nanmedian if skips_nan else results.median
    if not input.ndim:
        return scalar(input, named)
    nans = np.isnan(input._array).sum(axis=axis, keepdims=True)
    size = input._array.shape[axis]
    if not size:
        raise IndexError(f"median(): Expected reduction dim {axis} to have non-zero size.")
    rank = (
        np.maximum(size - nans - 1, 0) // 2 if skips_nan else np.full(nans.shape, (size - 1) // 2)
    )
    if not skips_nan:
        rank = np.where(nans > 0, size - nans, rank)
    return _ranked(input, rank, axis, keepdim, named)


@public()
def median(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The median (of two, the lower) of all elements, or (values, indices) along a dimension."""
    return _middle(input, dim, keepdim, skips_nan=False)


@public()
def nanmedian(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """As `median`, of what is not nan."""
    return _middle(input, dim, keepdim, skips_nan=True)


@public()
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> results.Ordered:
    """(values, indices) of the most frequent element along a dimension, of several the least; the
    index is that of its last occurrence."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return scalar(input, results.mode)
    if not input._array.shape[axis]:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    order = _order(input._array, axis, descending=False)
    found = taken(input, _last_of_longest_run(input._array, order, axis), axis, results.mode)
    return found if keepdim else results.mode(*(each.squeeze(axis) for each in found))


def _last_of_longest_run(array: Any, order: Any, axis: int) -> Any:
    """Along an axis of a sorted array, where the longest run of equal elements ends."""
    ordered = np.moveaxis(np.take_along_axis(array, order, axis), axis, 0)
    length = np.ones(ordered.shape, np.int64)
    for at in range(1, len(ordered)):
        length[at] += np.where(ordered[at] == ordered[at - 1], length[at - 1], 0)
    end = length.argmax(axis=0, keepdims=True)
    return np.take_along_axis(order, np.moveaxis(end, 0, axis), axis)
