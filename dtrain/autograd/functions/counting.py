# mypy: disable-error-code="no-any-return"
"""Values looked up, counted and made unique. None of it has a gradient."""

from typing import Any, Literal

import numpy as np

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import promotion
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "bincount", "bucketize", "histc", "isin", "searchsorted", "unique", "unique_consecutive",
    "unravel_index",
]  # fmt: skip


@public()
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where elements would go in a sequence that is in order, along the last dimension."""
    if side not in (None, "left", "right"):
        raise RuntimeError(
            "torch.searchsorted(): side can only be 'left' or 'right' but got " + str(side)
        )
    if right and side == "left":
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites")
    where: Literal["left", "right"] = "right" if right or side == "right" else "left"
    values = np.asarray(input._array if isinstance(input, Tensor) else input)
    edges = sorted_sequence._array
    if sorter is not None:
        edges = np.take_along_axis(edges, sorter._array, -1)
    _require_lined_up(edges, values)
    dtype = np.int32 if out_int32 else np.int64
    if edges.ndim == 1:
        return wrap(np.asarray(np.searchsorted(edges, values, where)).astype(dtype))
    out = np.zeros(values.shape, dtype)
    for at in np.ndindex(edges.shape[:-1]):
        out[at] = np.searchsorted(edges[at], values[at], where)
    return wrap(out)


def _require_lined_up(edges: Any, values: Any) -> None:
    if edges.ndim != 1 and edges.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(edges.shape)} and input value tensor {list(values.shape)}"
        )


@public(method=False)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Which of the intervals between boundaries elements are in."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@public()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each integer from 0 on comes; or the sum of its weights."""
    array = input._array
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if array.dtype.kind not in "iu":
        raise promotion.not_implemented("bincount_cpu", array.dtype)
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return wrap(np.bincount(array, minlength=minlength).astype(np.int64))
    if weights._array.shape != array.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    dtype = weights._array.dtype if weights._array.dtype == np.float32 else np.dtype(np.float64)
    counts = np.bincount(array, weights._array, minlength)
    return wrap(counts.astype(dtype))


@public()
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """How many elements are in each of `bins` equal intervals from min to max; without these, from
    the least to the greatest element. Others are not counted."""
    array = input._array.reshape(-1)
    if array.dtype.kind == "b":
        raise promotion.not_implemented("histogram_cpu", array.dtype)
    if bins <= 0:
        raise RuntimeError(f"torch.histc(): bins must be > 0, but got {bins} for dimension 0")
    low, high = float(min), float(max)
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    if low == high:
        low, high = low - 1, high + 1
    real = array.dtype.type if array.dtype.kind == "f" else np.float64
    held = array[(array >= low) & (array <= high)].astype(real)
    at = ((held - real(low)) * real(bins) / (real(high) - real(low))).astype(np.int64)
    at = np.minimum(at, bins - 1)
    return wrap(np.bincount(at, minlength=bins).astype(array.dtype))


@public(method=False)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is among the test elements."""
    one, other = (
        each._array if isinstance(each, Tensor) else np.asarray(each)
        for each in (elements, test_elements)
    )
    return wrap(np.asarray(np.isin(one, other, invert=invert)))


def _results(values: Any, inverse: Any, counts: Any, wanted: tuple[bool, bool]) -> Any:
    """The values alone, or with what else was asked for."""
    out = [wrap(values)]
    for each, wants in zip((inverse, counts), wanted, strict=True):
        if wants:
            out.append(wrap(np.asarray(each, np.int64)))
    return tuple(out) if len(out) > 1 else out[0]


@public()
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The different elements (or slices of a dimension) in order; where each element is among them,
    and how often each comes, if asked."""
    axis = None if dim is None else dim_of(dim, input.ndim)
    array = input._array
    if axis is not None and not array.size:
        if array.shape[axis]:
            raise RuntimeError(
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be "
                "applied"
            )
        nothing = np.zeros(0, np.int64)
        return _results(array.copy(), nothing, nothing, (return_inverse, return_counts))
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(array.shape if axis is None else -1)
    return _results(values, inverse, counts, (return_inverse, return_counts))


@public()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """As `unique`, but only equal elements next to each other count as one."""
    axis = 0 if dim is None else dim_of(dim, input.ndim)
    array = input._array.reshape(-1) if dim is None else np.moveaxis(input._array, axis, 0)
    changes = np.ones(len(array), bool)
    changes[1:] = (array[1:] != array[:-1]).any(axis=tuple(range(1, array.ndim)))
    starts = np.flatnonzero(changes)
    inverse = np.cumsum(changes) - 1
    counts = np.diff(np.append(starts, len(array)))
    values = np.ascontiguousarray(np.moveaxis(array[starts], 0, axis))
    inverse = inverse.reshape(input._array.shape) if dim is None else inverse
    return _results(values, inverse, counts, (return_inverse, return_counts))


@public(method=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The indices in a shape of indices into the flattened array."""
    if indices._array.dtype.kind not in "iu":
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(each < 0 for each in size):
        raise ValueError(f"'shape' cannot have negative values, but got {size}")
    step, found, at = 1, [], indices._array.astype(np.int64)
    for each in reversed(size):
        found.append(wrap(np.asarray(at // step % max(each, 1))))
        step *= each
    return tuple(reversed(found))
