# mypy: disable-error-code="no-any-return"
"""Copies of a tensor with some of its elements replaced or added to."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.picking import (
    in_range,
    indices_of,
    require_lined_up,
    size_along,
    window,
)
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import reduce as reductions
from dtrain.autograd.ops import shape
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor

__all__ = [
    "index_add", "index_copy", "index_fill", "masked_fill", "masked_scatter", "scatter",
    "scatter_add", "select_scatter", "slice_scatter",
]  # fmt: skip


def _key_along(at: Any, axis: int) -> tuple[Any, ...]:
    key: list[Any] = list(np.indices(at.shape, sparse=True))
    key[axis] = at
    return tuple(key)


def _scattered(input: Tensor, dim: int, index: Tensor, src: Tensor, who: str) -> tuple[Any, Any]:
    """The key and the values of a scatter."""
    axis = dim_of(dim, input.ndim)
    at = indices_of(index, who)
    if not at.size:
        return None, None
    if not input.ndim or not at.ndim:
        return (at.reshape(-1),), src.reshape(-1)[: at.size]
    require_lined_up(input, at, axis, who)
    in_range(at, input._array.shape[axis], who)
    return _key_along(at, axis), window(src, at.shape)


@public(in_place=True)
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """A copy with out[index[i][j]][j] = src[i][j], for dim 0; `reduce`: "add" or "multiply"."""
    source = value if src is None else src
    if isinstance(source, Tensor) and source._array.dtype != input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if reduce == "add":
        return scatter_add(input, dim, index, _as_source(source, input, index))
    key, values = _scattered(input, dim, index, _as_source(source, input, index), "scatter")
    if key is None:
        return input.clone()
    flat = input if input.ndim else input.reshape(1)
    if reduce == "multiply":
        values = shape.index(flat, key=key) * values
    elif reduce is not None:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return shape.replace(flat, values, key=key).reshape(input._array.shape)


def _as_source(value: Any, input: Tensor, index: Tensor) -> Tensor:
    if isinstance(value, Tensor) and (value.ndim or not index.ndim):
        return value
    filled = input.new_zeros(index._array.shape)
    return filled + value


@public(in_place=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with src[i][j] added at [index[i][j]][j], for dim 0; repeats add up in order."""
    if src._array.dtype != input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    key, values = _scattered(input, dim, index, src, "scatter_add")
    if key is None:
        return input.clone()
    flat = input if input.ndim else input.reshape(1)
    added = flat + shape.scatter(values, shape=flat._array.shape, key=key)
    return added.reshape(input._array.shape)


@public(in_place=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with the slices of `source` added at the places that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = in_range(indices_of(index, "index_add").reshape(-1), size_along(input, axis), "index_add")
    flat = input if input.ndim else input.reshape(1)
    values = source if input.ndim and source.ndim else source.reshape(-1)
    key = (slice(None),) * axis + (at,)
    added = shape.scatter(
        values if alpha == 1 else values * alpha, shape=flat._array.shape, key=key
    )
    return (flat + added).reshape(input._array.shape)


@public(in_place=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices of `source` at the places that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = in_range(
        indices_of(index, "index_copy").reshape(-1), size_along(input, axis), "index_copy"
    )
    flat = input if input.ndim else input.reshape(1)
    values = source if input.ndim and source.ndim else source.reshape(-1)
    key = (slice(None),) * axis + (at,)
    return shape.replace(flat, values, key=key).reshape(input._array.shape)


@public(in_place=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with one value in the slices that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = indices_of(index, "index_fill").reshape(-1)
    mask = np.zeros(
        max(size_along(input, axis), 1) if not input.ndim else size_along(input, axis), bool
    )
    mask[at] = True
    size = [-1 if dim == axis else 1 for dim in range(input.ndim)]
    return masked_fill(input, Tensor(mask.reshape(size) if input.ndim else mask.reshape(())), value)


@public(in_place=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask holds."""
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
        value = input._array.dtype.type(value)
        value = Tensor(np.asarray(value))
    return where(mask, value, input)


@public(in_place=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, where the mask holds."""
    size = np.broadcast_shapes(input._array.shape, mask._array.shape)
    held = np.broadcast_to(mask._array, size)
    wide = input if input._array.shape == size else reductions.expand(input, shape=size)
    values = source.reshape(-1)[: int(held.sum())]
    return shape.replace(wide, values, key=held)


@public()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with `src` as the slice at an index of a dimension."""
    key = (slice(None),) * dim_of(dim, input.ndim) + (index,)
    return shape.replace(input, src, key=key)


@public()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    """A copy with `src` in a slice of a dimension."""
    key = (slice(None),) * dim_of(dim, input.ndim) + (slice(start, end, step),)
    return shape.replace(input, src, key=key)
