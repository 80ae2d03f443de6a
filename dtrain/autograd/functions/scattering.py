# mypy: disable-error-code="no-any-return"
"""Copies of a tensor with some of its elements replaced, added to or combined with others."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of, tensors_of
from dtrain.autograd.functions.indexing import fitted
from dtrain.autograd.functions.picking import (
    in_range,
    indices_of,
    long_indices,
    require_lined_up,
    size_along,
    window,
)
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import promotion, scattering, shape
from dtrain.autograd.ops import reduce as reductions
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "diagonal_scatter", "index_add", "index_copy", "index_fill", "index_reduce", "masked_fill",
    "masked_scatter", "put", "scatter", "scatter_add", "scatter_reduce", "select_scatter",
    "slice_scatter",
]  # fmt: skip


_masked_fill = where.called("MaskedFillBackward0", only=2)


def _key_along(at: Any, axis: int) -> tuple[Any, ...]:
    key: list[Any] = list(np.indices(at.shape, sparse=True))
    key[axis] = at
    return tuple(key)


def _scattered(input: Tensor, dim: int, index: Tensor, src: Tensor, who: str) -> tuple[Any, Any]:
    """The key and the values of a scatter; none for an empty index."""
    axis = dim_of(dim, input.ndim)
    if src._array.dtype != input._array.dtype:
        raise RuntimeError(f"{who}(): Expected self.dtype to be equal to src.dtype")
    if isinstance(index, Tensor) and not index.numel():
        return None, None
    at = indices_of(index, who)
    if max(src.ndim, 1) != max(at.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    require_lined_up(input, at, axis)
    if any(size > own for size, own in zip(at.shape, src._array.shape, strict=False)):
        raise RuntimeError(
            f"Expected index {list(at.shape)} to be no larger than src {list(src._array.shape)}"
        )
    if not input.ndim or not at.ndim:
        in_range(at.reshape(-1), size_along(input, 0), RuntimeError)
        return (at.reshape(-1),), src.reshape(-1)[: at.size]
    in_range(at, input._array.shape[axis], RuntimeError, axis)
    return _key_along(at, axis), window(src, at.shape)


def _flat(input: Tensor) -> Tensor:
    return input if input.ndim else input.reshape(1)


@public(in_place=True)
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """A copy with out[index[i][j]][j] = src[i][j], for dim 0; `reduce`: "add" or "multiply"."""
    source = _as_source(value if src is None else src, input, index)
    key, values = _scattered(input, dim, index, source, "scatter")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if key is None:
        return input.clone()
    if reduce == "add":
        return scatter_add(input, dim, index, source)
    flat = _flat(input)
    if reduce == "multiply":
        return scattering.product_at(flat, values, key=key).reshape(input._array.shape)
    return shape.replace(flat, values, key=key).reshape(input._array.shape)


def _as_source(value: Any, input: Tensor, index: Tensor) -> Tensor:
    """A number, all over the shape of the index."""
    if isinstance(value, Tensor) and (value.ndim or not index.ndim):
        return value
    filled = input.new_zeros(index._array.shape)
    return filled + (value if isinstance(value, Tensor) else fitted(value, filled))


@public(in_place=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with src[i][j] added at [index[i][j]][j], for dim 0; repeats add up in order."""
    key, values = _scattered(input, dim, index, src, "scatter")
    if key is None:
        return input.clone()
    return _added(_flat(input), values, key).reshape(input._array.shape)


def _added(input: Tensor, values: Tensor, key: Any) -> Tensor:
    return input + shape.scatter(values, shape=input._array.shape, key=key)


@public(in_place=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy with the elements at [index[i][j]][j], for dim 0, combined with src[i][j]: "sum",
    "prod", "mean", "amax" or "amin"; with the input's own element too if `include_self`."""
    key, values = _scattered(input, dim, index, src, "scatter")
    if key is None:
        return input.clone()
    out = _combined(_flat(input), values, key, reduce, include_self)
    return out.reshape(input._array.shape)


@public(in_place=True)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """A copy with the slices that `index` names combined with those of `source`: "prod", "mean",
    "amax" or "amin"."""
    if reduce == "sum":
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got sum."
        )
    axis = dim_of(dim, input.ndim)
    key, values = _slices(input, axis, index, source, "index_reduce", RuntimeError)
    out = _combined(_flat(input), values, key, reduce, include_self)
    return out.reshape(input._array.shape)


# What leaves an element unchanged.
_NEUTRAL = {"sum": 0, "mean": 0, "prod": 1}


def _combined(input: Tensor, values: Tensor, key: Any, way: str, include_self: bool) -> Tensor:
    if way not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {way}"
        )
    size = input._array.shape
    times = shape.scatter(np.ones(values._array.shape, np.int64), shape=size, key=key)
    own = input
    if not include_self:
        own = where(wrap(times > 0), _start(input, way), input)
    if way in ("amax", "amin"):
        return scattering.extreme_at(own, values, key=key, greatest=way == "amax")
    if way == "prod":
        return scattering.product_at(own, values, key=key)
    total = _added(own, values, key)
    if way == "sum":
        return total
    count = wrap(np.maximum(times + include_self, 1))
    if input._array.dtype.kind == "f":
        return total / count
    return total.div(count, rounding_mode="floor").to(input.dtype)


def _start(input: Tensor, way: str) -> Tensor:
    """A 0-dim tensor that the first value takes the place of."""
    if way in _NEUTRAL:
        return input.new_tensor(_NEUTRAL[way])
    dtype = input._array.dtype
    if dtype.kind == "f":
        return input.new_tensor(-np.inf if way == "amax" else np.inf)
    if dtype.kind == "b":
        return input.new_tensor(way == "amin")
    limits = np.iinfo(dtype)
    return input.new_tensor(limits.min if way == "amax" else limits.max)


def _slices(
    input: Tensor, axis: int, index: Tensor, source: Tensor, who: str, error: type[Exception]
) -> tuple[Any, Tensor]:
    """The key and the values of slices that an index names."""
    at = indices_of(index, who)
    if at.ndim > 1:
        raise IndexError(f"{who}(): Index should have dimension 1 or 0 (got {at.ndim})")
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(f"{who}(): self ({input.dtype}) and source ({source.dtype}) differ")
    count = size_along(source, axis) if source.ndim > axis else 1
    if at.size != count:
        raise error(
            f"{who}_(): Number of indices ({at.size}) should be equal to source.size(dim) ({count})"
        )
    values = source if input.ndim and source.ndim else source.reshape(-1)
    rest = [
        tuple(size for dim, size in enumerate(each._array.shape) if dim != axis)
        for each in (input, source)
    ]
    if rest[0] != rest[1] and not (input.ndim <= 1 and source.ndim <= 1):
        raise error(
            f"{who}(): source tensor shape must match self tensor shape, excluding the specified "
            f"dimension. Got self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )
    beyond = RuntimeError if who == "index_add" and input.ndim > 1 else IndexError  # as in PyTorch
    at = in_range(at.reshape(-1), size_along(input, axis), beyond, axis)
    return (slice(None),) * axis + (at,), values


@public(in_place=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with the slices of `source` added at the places that `index` names."""
    axis = dim_of(dim, input.ndim)
    key, values = _slices(input, axis, index, source, "index_add", RuntimeError)
    added = _added(_flat(input), values if alpha == 1 else values * alpha, key)
    return added.reshape(input._array.shape)


@public(in_place=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices of `source` at the places that `index` names."""
    axis = dim_of(dim, input.ndim)
    key, values = _slices(input, axis, index, source, "index_copy", IndexError)
    return shape.replace(_flat(input), values, key=key).reshape(input._array.shape)


@public(in_place=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with one value in the slices that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = long_indices(index, "index_fill").reshape(-1)
    mask = np.zeros(size_along(input, axis), bool)
    mask[at] = True
    size = [-1 if dim == axis else 1 for dim in range(input.ndim)]
    return masked_fill(input, wrap(mask.reshape(size)), value)


@public(in_place=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask holds."""
    tensors_of("masked_fill", input, mask)
    if mask._array.dtype != bool:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        value = value.to(input.dtype)
    elif input._array.dtype.kind != "f":
        value = wrap(np.asarray(promotion.converted(value, input._array.dtype)))
    return _masked_fill(mask, value, input)


@public(in_place=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, where the mask holds."""
    if mask._array.dtype != bool:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            "masked_scatter_: expected self and source to have same dtypes but got "
            f"{input.dtype} and {source.dtype}"
        )
    size = np.broadcast_shapes(input._array.shape, mask._array.shape)
    held = np.broadcast_to(mask._array, size)
    count = int(held.sum())
    if source.numel() < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    wide = input if input._array.shape == size else reductions.expand(input, shape=size)
    return shape.replace(wide, source.reshape(-1)[:count], key=held)


@public(in_place=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with the elements of `source` at places of the flattened input, or added there."""
    at = long_indices(index, "put").reshape(-1)
    if at.size != source.numel():
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {at.size}"
        )
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype} and source.dtype = {source.dtype}"
        )
    flat, values = input.reshape(-1), source.reshape(-1)
    if accumulate:
        return _added(flat, values, (at,)).reshape(input._array.shape)
    return shape.replace(flat, values, key=at).reshape(input._array.shape)


@public()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with `src` as the slice at an index of a dimension."""
    key = (slice(None),) * dim_of(dim, input.ndim) + (index,)
    return shape.replace(input, src.to(input.dtype), key=key)


@public()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    """A copy with `src` in a slice of a dimension."""
    key = (slice(None),) * dim_of(dim, input.ndim) + (slice(start, end, step),)
    return shape.replace(input, src.to(input.dtype), key=key)


@public()
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with `src` on the diagonal of two dimensions."""
    out = input.clone()
    place = out.diagonal(offset, dim1, dim2)
    if place._array.shape != src._array.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(place.shape)}"
        )
    place.copy_(src)
    return out
